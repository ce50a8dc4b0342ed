package availability

import (
	"math"

	"lodge/domain"
)

// RadiusMax is the largest radius of a search in kilometers.
const RadiusMax = 1000

// earthRadius is the mean one, in kilometers.
const earthRadius = 6371.0088

// Circle is what lies within a distance of a point.
type Circle struct {
	Latitude, Longitude float64 // degrees
	RadiusKM            float64 // above 0, at most RadiusMax
}

func (c *Circle) validate() error {
	switch {
	case !(c.Latitude >= -90 && c.Latitude <= 90):
		return domain.Errorf(domain.InvalidArgument, "near.latitude", "%g is not from -90 to 90 degrees", c.Latitude)
	case !(c.Longitude >= -180 && c.Longitude <= 180):
		return domain.Errorf(domain.InvalidArgument, "near.longitude", "%g is not from -180 to 180 degrees", c.Longitude)
	case !(c.RadiusKM > 0 && c.RadiusKM <= RadiusMax):
		return domain.Errorf(domain.InvalidArgument, "radius_km", "%g is not above 0 and at most %d kilometers", c.RadiusKM, RadiusMax)
	}
	return nil
}

// distance returns the kilometers from the circle's middle, by the haversine formula on a sphere.
func (c *Circle) distance(latitude, longitude float64) float64 {
	a, b := radians(c.Latitude), radians(latitude)
	sinLat, sinLon := math.Sin((b-a)/2), math.Sin(radians(longitude-c.Longitude)/2)
	h := sinLat*sinLat + math.Cos(a)*math.Cos(b)*sinLon*sinLon
	return 2 * earthRadius * math.Asin(math.Sqrt(min(1, h)))
}

// box is what a circle lies in: south to north, and one or, across the antimeridian, two ranges of longitudes.
type box struct {
	south, north float64
	west, east   [2]float64 // the second range is the first where there is one only
}

// boxSlack widens a box a little, in degrees, for what floats round away.
const boxSlack = 1e-6

func (c *Circle) box() box {
	reach := c.RadiusKM / earthRadius
	b := box{south: c.Latitude - degrees(reach) - boxSlack, north: c.Latitude + degrees(reach) + boxSlack}
	if b.south <= -90 || b.north >= 90 { // a pole lies within: so do all longitudes
		b.west, b.east = [2]float64{-180, -180}, [2]float64{180, 180}
		return b
	}
	wide := degrees(math.Asin(min(1, math.Sin(reach)/math.Cos(radians(c.Latitude))))) + boxSlack
	west, east := c.Longitude-wide, c.Longitude+wide
	b.west, b.east = [2]float64{west, west}, [2]float64{east, east}
	switch {
	case west < -180:
		b.west[1], b.east[1] = west+360, 180
	case east > 180:
		b.west[1], b.east[1] = -180, east-360
	}
	return b
}

func radians(degrees float64) float64 { return degrees * math.Pi / 180 }
func degrees(radians float64) float64 { return radians * 180 / math.Pi }
